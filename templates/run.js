/* The slides of a run, as JSON in this page, become a table to sort and filter; only rows in view are made. */
"use strict";
(() => {
  const section = document.getElementById("slides");
  const data = JSON.parse(document.getElementById("slides-data").textContent);
  const at = Object.fromEntries(data.fields.map((name, place) => [name, place]));
  const all = data.rows;
  const form = section.querySelector("form");
  const box = section.querySelector(".box");
  const table = section.querySelector("table");
  const body = section.querySelector("tbody");
  const said = section.querySelector("output");
  const nothing = section.querySelector(".nothing");
  const heads = [...section.querySelectorAll("th[data-key]")];
  const words = new Intl.Collator("en", { numeric: true });
  const SPARE_ROWS = 8;
  let shown = [];
  let state = {};
  const made = new Map();

  const statusOf = (row) => data.statuses[row[at.status]];
  const gradeOf = (row) => (row[at.grade] === null ? data.ungraded : data.grades[row[at.grade]]);
  const isDone = (row) => row[at.status] === 0;
  const hay = all.map((row) =>
    [row[at.slide_id], row[at.patient_id], row[at.reason], row[at.sentence], ...row[at.concerns].map((one) => data.concerns[one])]
      .join("\n").toLowerCase());

  const noticed = new Set(data.notices);
  const FIGURES = heads.filter((head) => head.hasAttribute("data-figure"));
  const count = (value) => value.toLocaleString("en-US");

  /* By what a column is sorted: a number a row, null where there is none. Texts are put in order once. */
  const ranks = (key) => {
    const order = all.map((row, place) => place).filter((place) => all[place][at[key]] !== "");
    order.sort((a, b) => words.compare(all[a][at[key]], all[b][at[key]]));
    const rank = new Array(all.length).fill(null);
    let last = 0;
    order.forEach((place, turn) => {
      if (turn && words.compare(all[order[turn - 1]][at[key]], all[place][at[key]])) last = turn;
      rank[place] = last;
    });
    return rank;
  };
  const kept = {};
  const keys = (key) => {
    const text = key === "slide_id" || key === "patient_id" || key === "reason";
    return (kept[key] ??= text ? ranks(key) : all.map((row) => row[at[key]]));
  };

  const select = () => {
    const asked = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    shown = [];
    all.forEach((row, place) => {
      if (state.status && statusOf(row) !== state.status) return;
      if (state.grade && (!isDone(row) || gradeOf(row) !== state.grade)) return;
      if (state.look && !row[at.concerns].length) return;
      if (asked.every((word) => hay[place].includes(word))) shown.push(place);
    });
    if (!state.sort) return;
    const key = keys(state.sort);
    const sign = state.down ? -1 : 1;
    shown.sort((a, b) => {
      if (key[a] === null || key[b] === null) return (key[a] === null) - (key[b] === null) || a - b;
      return sign * (key[a] - key[b]) || a - b;
    });
  };

  const put = (parent, name, text, kind) => {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  };
  const cell = (tr, kind, label) => {
    const td = put(tr, "td", undefined, kind);
    td.setAttribute("role", "cell");
    if (label) td.dataset.label = label;
    return td;
  };
  const link = (parent, text, href, name) => {
    const anchor = put(parent, "a", text);
    anchor.href = href;
    anchor.setAttribute("aria-label", `${text}, ${name}`);
  };
  const picture = (tr, row, folder) => {
    const td = cell(tr, "picture");
    if (!isDone(row)) return;
    const image = put(td, "img");
    image.alt = "";
    image.loading = "lazy";
    image.width = image.height = 48;
    /* Results of older versions have none. */
    image.addEventListener("error", () => image.replaceWith(put(td, "span", undefined, "blank")));
    image.src = `${folder}/thumbnail.jpg`;
  };
  const remarks = (row) => [...row[at.concerns].map((one) => data.concerns[one]), row[at.sentence] || row[at.reason]];

  const build = (turn) => {
    const place = shown[turn];
    const row = all[place];
    const name = row[at.slide_id];
    const folder = `slides/${row[at.path] ?? name}`;
    const tr = document.createElement("tr");
    tr.setAttribute("role", "row");
    tr.setAttribute("aria-rowindex", turn + 2);
    tr.style.transform = `translateY(${turn * height()}px)`;
    picture(tr, row, folder);
    const id = put(cell(tr, "name"), "a", name);
    id.href = `slides-${String(Math.floor(place / data.a_page) + 1).padStart(3, "0")}.html#s${place + 1}`;
    id.title = name;
    put(cell(tr, "patient"), "span", row[at.patient_id]).title = row[at.patient_id];
    put(cell(tr, "state"), "span", statusOf(row), `tag ${statusOf(row)}`);
    if (isDone(row)) measured(tr, row);
    else tr.className = "ended";
    const why = remarks(row).filter(Boolean).join("; ");
    const remark = cell(tr, "why");
    put(remark, "span", why).title = why;
    if (!isDone(row)) remark.setAttribute("aria-colspan", FIGURES.length + 2);
    if (isDone(row)) files(tr, row, folder);
    else notice(tr, row, place);
    return tr;
  };
  const measured = (tr, row) => {
    put(cell(tr, "grade"), "span", gradeOf(row));
    FIGURES.forEach((head, column) => {
      const none = row[at[head.dataset.key]] === null;
      put(cell(tr, "figure", head.dataset.label), "span", row[at.words][column], none ? "quiet" : "");
    });
  };
  const notice = (tr, row, place) => {
    const links = cell(tr, "links");
    if (noticed.has(place)) link(links, "Notice", `notices/${row[at.path] ?? row[at.slide_id]}.pdf`, row[at.slide_id]);
  };
  const files = (tr, row, folder) => {
    const links = cell(tr, "links");
    if (data.reports) link(links, "Report", `${folder}/report.pdf`, row[at.slide_id]);
    link(links, "Heat map", `${folder}/heatmap.png`, row[at.slide_id]);
  };

  const height = () => parseFloat(getComputedStyle(table).getPropertyValue("--row"));
  const draw = () => {
    const each = height();
    const first = Math.max(0, Math.floor(box.scrollTop / each) - SPARE_ROWS);
    const end = Math.min(shown.length, Math.ceil((box.scrollTop + box.clientHeight) / each) + SPARE_ROWS);
    for (const [turn, tr] of made)
      if ((turn < first || turn >= end) && !tr.contains(document.activeElement)) {
        tr.remove();
        made.delete(turn);
      }
    let next = null;
    for (let turn = end - 1; turn >= first; turn--) {
      if (!made.has(turn)) {
        made.set(turn, build(turn));
        body.insertBefore(made.get(turn), next);
      }
      next = made.get(turn);
    }
  };
  const renew = () => {
    made.clear();
    body.replaceChildren();
    body.style.height = `${shown.length * height()}px`;
    table.setAttribute("aria-rowcount", shown.length + 1);
    nothing.hidden = shown.length > 0;
    said.textContent = `${count(shown.length)} of ${count(all.length)} ${all.length === 1 ? "slide" : "slides"}`;
    for (const head of heads) {
      const sorted = head.dataset.key === state.sort;
      head.setAttribute("aria-sort", sorted ? (state.down ? "descending" : "ascending") : "none");
    }
    draw();
  };

  /* The state is what the address says after #, so that a view can be sent to somebody. */
  const read = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    const choice = (name) => ([...form.elements[name].options].some((one) => one.value === given.get(name)) ? given.get(name) : "");
    const sort = heads.some((head) => head.dataset.key === given.get("sort")) ? given.get("sort") : "";
    state = { q: given.get("q") ?? "", status: choice("status"), grade: choice("grade"), look: given.has("look"), sort, down: given.has("down") };
    form.elements.q.value = state.q;
    form.elements.status.value = state.status;
    form.elements.grade.value = state.grade;
    form.elements.look.checked = state.look;
  };
  const write = () => {
    const told = new URLSearchParams();
    for (const [name, value] of Object.entries(state)) if (value) told.set(name, value === true ? "" : value);
    history.replaceState(null, "", `#${told}`);
  };
  const change = (changes) => {
    Object.assign(state, changes);
    write();
    select();
    box.scrollTop = 0;
    renew();
  };

  form.addEventListener("input", () => {
    const { q, status, grade, look } = form.elements;
    change({ q: q.value, status: status.value, grade: grade.value, look: look.checked });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    history.replaceState(null, "", "#");
    read();
    change({});
  });
  for (const head of heads)
    head.querySelector("button").addEventListener("click", () => {
      const key = head.dataset.key;
      const firstDown = head.hasAttribute("data-down");
      if (state.sort !== key) change({ sort: key, down: firstDown });
      else if (state.down === firstDown) change({ down: !firstDown });
      else change({ sort: "", down: false });
    });
  let waiting = false;
  box.addEventListener("scroll", () => {
    if (!waiting) requestAnimationFrame(() => { waiting = false; draw(); });
    waiting = true;
  }, { passive: true });
  addEventListener("resize", renew);
  addEventListener("hashchange", () => { read(); select(); renew(); });

  section.hidden = false;
  read();
  select();
  renew();
})();
