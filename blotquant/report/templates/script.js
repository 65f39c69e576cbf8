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
      const before = typeof x === "number" && typeof y === "number" ? x < y : String(x).localeCompare(String(y)) < 0;
      return before === up ? -1 : 1;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  }));
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
