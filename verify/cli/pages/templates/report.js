"use strict";
// Filters of the cells, and sliders of the plane. All numbers stand in the page already.

function filterCells(form) {
  const asked = new FormData(form);
  const theorem = asked.get("theorem");
  const construction = asked.get("construction");
  const verdicts = asked.getAll("verdict");
  const words = asked.get("words").toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  let all = 0;
  for (const section of document.querySelectorAll("section.theorem")) {
    let here = 0;
    for (const cell of section.querySelectorAll("tbody")) {
      const text = cell.textContent.toLowerCase();
      const fits = (!theorem || section.dataset.theorem === theorem)
        && (!construction || cell.dataset.construction === construction)
        && verdicts.includes(cell.dataset.verdict)
        && words.every((word) => text.includes(word));
      cell.hidden = !fits;
      here += fits;
      all += 1;
    }
    section.hidden = here === 0;
    shown += here;
  }
  document.getElementById("shown").textContent = `${shown} of ${all} cells are shown`;
}

function stopOf(slider) {
  return slider.dataset.stops.split(" ")[Number(slider.value)];
}

function showStop(form) {
  const sliders = [...form.querySelectorAll("input")];
  for (const slider of sliders) {
    const label = slider.closest("label");
    const value = Number(stopOf(slider)).toLocaleString("en");
    label.querySelector("output").textContent = value;
    slider.setAttribute("aria-valuetext", value);
  }
  const stops = sliders.map(stopOf);
  const id = `plane-${stops.join("-")}`;
  const plane = document.getElementById("plane");
  plane.replaceChildren(document.getElementById(id).content.cloneNode(true));
  plane.dataset.stop = id;
  document.getElementById("command").textContent =
    `python -m verify bound -N ${stops[0]} -R ${stops[1]} -k ${stops[2]}`;
}

function begin(id, act) {
  const form = document.getElementById(id);
  if (form) {
    form.hidden = false;
    form.addEventListener("input", () => act(form));
    form.addEventListener("reset", () => setTimeout(() => act(form)));
    form.addEventListener("submit", (event) => event.preventDefault());
    act(form);
  }
}

begin("filters", filterCells);
begin("sliders", showStop);
