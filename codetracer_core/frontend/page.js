// What Streamlit lays over a page (dialogs, menus) stands outside of the element that knows whether the theme is dark:
// colours that depend on it would be those of the light theme there. So the whole document is told.

export default function () {
  const app = document.querySelector(".stApp");
  const tell = () => (document.documentElement.style.colorScheme = getComputedStyle(app).colorScheme);
  const observer = new MutationObserver(tell);
  observer.observe(app, { attributes: true, attributeFilter: ["class"] });
  tell();
  return () => observer.disconnect();
}
