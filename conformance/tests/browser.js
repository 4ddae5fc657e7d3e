// What a reader does with the page of a report; the test browser.rs reads the findings.
"use strict";
{
  const found = { errors: [] };
  addEventListener("error", (event) => found.errors.push(event.message));
  const shown = () => [...document.querySelectorAll(".case:not([hidden])")].map((one) => one.id.replace("case-", ""));
  const change = (control) => control.dispatchEvent(new Event("input", { bubbles: true }));
  const search = (text) => { document.getElementById("search").value = text; change(document.getElementById("search")); };
  try {
    found.dark = matchMedia("(prefers-color-scheme: dark)").matches;
    found.colour = getComputedStyle(document.body).backgroundColor;
    found.hangsOut = document.documentElement.scrollWidth - innerWidth;
    found.atFirst = shown();
    found.failing = [...document.querySelectorAll(".case[data-verdict~=fail]")].length;
    for (const box of document.querySelectorAll("input[name=verdict]")) { box.checked = true; change(box); }
    found.all = shown();
    search("host-count twice");
    found.searched = shown();
    found.line = document.getElementById("shown").textContent;
    search("no case has such a name");
    found.nothing = shown();
    found.saysNothing = !document.getElementById("none").hidden;
    search("");
    document.getElementById("level").value = "may";
    change(document.getElementById("level"));
    found.ofLevel = [...document.querySelectorAll(".case:not([hidden])")].map((one) => one.dataset.level);
    document.querySelector(".cites").click();
    found.cited = document.getElementById("search").value;
    location.hash = "#case-host-count/missing";
    dispatchEvent(new Event("hashchange"));
    const linked = document.getElementById("case-host-count/missing");
    found.linked = !linked.hidden && linked.open;
    const sides = [...linked.querySelectorAll(".sides figure")].slice(0, 2).map((side) => side.getBoundingClientRect());
    found.sameLine = sides[0].top === sides[1].top;
    found.loaded = performance.getEntriesByType("resource").length;
  } catch (error) {
    found.errors.push(String(error));
  }
  const pre = document.createElement("pre");
  pre.id = "findings";
  pre.textContent = JSON.stringify(found);
  document.body.append(pre);
}
