// Puts the cursor into the field with which a page begins, unless somebody writes elsewhere by then.
export default function ({ data }) {
  let tries = 0;
  const timer = setInterval(() => {
    const field = document.querySelector(`input[aria-label="${data}"]`);
    if (field && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName)) field.focus();
    if (field || ++tries > 100) clearInterval(timer);
  }, 50);
  return () => clearInterval(timer);
}
