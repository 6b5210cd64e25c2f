// A list of names and values, as text. Streamlit's own tables cut long values or read them as markdown.
export default function ({ data, parentElement }) {
  const list = document.createElement("dl");
  for (const [name, value] of data) {
    list.append(document.createElement("dt"), document.createElement("dd"));
    list.children[list.children.length - 2].textContent = name;
    list.lastChild.textContent = value;
  }
  parentElement.querySelector("dl")?.remove();
  parentElement.append(list);
}
