"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => {
      const cell = row.cells[place];
      return cell.dataset.sort === undefined ? cell.textContent : Number(cell.dataset.sort);
    };
    const order = (a, b) => {
      const x = value(a), y = value(b);
      if (x === y) return 0;
      if (x === "") return 1;
      if (y === "") return -1;
      const before = typeof x === "number" && typeof y === "number"
        ? x < y : String(x).localeCompare(String(y), "en", {numeric: true}) < 0;
      return before === up ? -1 : 1;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  }));
}
for (const box of document.querySelectorAll("input[data-overlay]")) {
  const show = () => document.body.classList.toggle("no-" + box.dataset.overlay, !box.checked);
  box.addEventListener("change", show);
  show();
}
const grow = (picture) => {
  const blot = picture.closest(".blot");
  const full = blot.classList.toggle("full");
  if (full) blot.scrollIntoView({block: "nearest"});
};
for (const picture of document.querySelectorAll("svg.picture")) {
  picture.addEventListener("click", () => grow(picture));
  picture.addEventListener("keydown", (event) => { if (event.key === "Enter") grow(picture); });
}
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("#answers details.printed:not([open]), #summary details:not([open]), details.profiles:not([open])")];
  opened.forEach((part) => { part.open = true; });
});
addEventListener("afterprint", () => opened.forEach((part) => { part.open = false; }));
