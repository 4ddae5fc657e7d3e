"use strict";
const search = document.getElementById("search");
const level = document.getElementById("level");
const boxes = [...document.querySelectorAll("input[name=verdict]")];
const cases = [...document.querySelectorAll(".case")].map((element) => ({
  element,
  // Only what names the case: an answer that quotes a word is no reason to show it.
  text: element.querySelector("summary").textContent.toLowerCase() + " " +
    element.querySelector(".requires").textContent.toLowerCase(),
  verdicts: element.dataset.verdict.split(" "),
  level: element.dataset.level,
}));
const rows = [...document.querySelectorAll(".matrix tbody tr")].map((element) => ({
  element, text: element.textContent.toLowerCase(),
}));

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  let shown = 0;
  for (const one of cases) {
    const fits = words.every((word) => one.text.includes(word)) &&
      one.verdicts.some((verdict) => wanted.has(verdict)) &&
      (!level.value || one.level === level.value);
    one.element.hidden = !fits;
    shown += fits ? 1 : 0;
  }
  for (const row of rows) row.element.hidden = !words.every((word) => row.text.includes(word));
  document.getElementById("shown").textContent = `${shown} of ${cases.length} shown`;
  document.getElementById("none").hidden = shown > 0;
}

function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.hidden) {
    search.value = "";
    level.value = "";
    for (const box of boxes) box.checked = true;
    filter();
  }
  if (target.tagName === "DETAILS") target.open = true;
  target.scrollIntoView();
}

for (const control of [search, level, ...boxes]) control.addEventListener("input", filter);
document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== search) {
    event.preventDefault();
    search.focus();
  }
});
document.addEventListener("click", (event) => {
  const cites = event.target.closest(".cites");
  if (cites) {
    search.value = cites.dataset.requirement;
    filter();
  }
  const copy = event.target.closest(".copy");
  if (!copy) return;
  const command = copy.parentElement.querySelector("pre");
  const done = () => { copy.textContent = "copied"; };
  // Files opened from disk may have no clipboard; the selection can then be copied with the keyboard.
  const select = () => getSelection().selectAllChildren(command);
  if (navigator.clipboard) navigator.clipboard.writeText(command.textContent).then(done, select);
  else select();
});
addEventListener("hashchange", reveal);

// With failures there, they are what the reader came for.
if (cases.some((one) => one.verdicts.includes("fail"))) {
  for (const box of boxes) box.checked = box.value === "fail";
}
filter();
reveal();
