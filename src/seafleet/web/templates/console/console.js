// A convenience only: every page works without it.
"use strict";
(() => {
  const all = document.getElementById("all");
  const selection = document.getElementById("selection");
  if (!all || !selection) return;
  const boxes = [...document.querySelectorAll('input[name="device"]')];
  const told = selection.textContent;

  const tell = () => {
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count > 0 && count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
    selection.textContent =
      count === 0 ? told : `With ${count} selected device${count === 1 ? "" : "s"}:`;
  };

  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    tell();
  });
  for (const box of boxes) box.addEventListener("change", tell);
  window.addEventListener("pageshow", tell);
  tell();
})();
