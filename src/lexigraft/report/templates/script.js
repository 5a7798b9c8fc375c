"use strict";
// Both parts are extras: without scripts the page shows and prints the same.
for (const button of document.querySelectorAll("button.copy")) {
  const code = button.closest("figure").querySelector("code");
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", () => {
    const range = document.createRange();
    range.selectNodeContents(code);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    // The clipboard API is missing on file:// in some browsers; the old command is not.
    document.execCommand("copy");
    selection.removeAllRanges();
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = label; }, 1600);
  });
}
function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") { target.open = true; }
}
addEventListener("hashchange", openTarget);
openTarget();
