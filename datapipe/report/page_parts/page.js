"use strict";
(() => {
  const sliders = JSON.parse(document.getElementById("data").textContent);
  const thousands = (value) => value.toLocaleString("en-US").replace("-", "\u2212");
  const signed = (value) => (value > 0 ? "+" : "") + thousands(value);
  const share = (part, whole) => (whole ? ((100 * part) / whole).toFixed(1) + "%" : "\u2013");

  // What a stage keeps with its slider at a place.
  const recount = (number, place) => sliders[number].kept[place];

  const move = (input) => {
    const number = Number(input.dataset.slider);
    const place = Number(input.value);
    const { came, now, says, values, x } = sliders[number];
    const kept = recount(number, place);
    const same = place === Number(input.defaultValue);
    const change = kept - now;
    document.getElementById("o" + number).textContent = says[place] + (same ? " (now)" : "");
    input.setAttribute("aria-valuetext", says[place]);
    const effect = document.getElementById("e" + number);
    effect.textContent = "keeps " + thousands(kept) + " of " + thousands(came) + ", " + share(kept, came)
      + (same ? "" : " (" + (change ? signed(change) : "no change") + ")");
    effect.dataset.kept = String(kept);
    effect.title = values[place] === null || same ? ""
      : "datapipe what-if RUN " + input.dataset.stage + " " + input.dataset.option + "=" + values[place];
    input.closest(".card").classList.toggle("moved", !same);
    const line = input.closest(".card").querySelector('line[data-number="' + input.dataset.line + '"]');
    if (line && x[place] === null && !same) line.setAttribute("display", "none");
    if (line && x[place] !== null) {
      line.removeAttribute("display");
      line.setAttribute("x1", x[place]);
      line.setAttribute("x2", x[place]);
    }
  };

  for (const input of document.querySelectorAll("input[data-slider]")) {
    move(input);
    input.addEventListener("input", () => move(input));
    input.addEventListener("dblclick", () => { input.value = input.defaultValue; move(input); });
  }

  const button = document.getElementById("theme");
  const asked = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (document.documentElement.dataset.theme || (asked.matches ? "dark" : "light")) === "dark";
  const tell = () => {
    button.setAttribute("aria-pressed", String(dark()));
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", "Dark colours");
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    tell();
  });
  asked.addEventListener("change", tell);
  tell();

  const contents = document.getElementById("contents");
  if (window.matchMedia("(max-width: 1000px)").matches) contents.open = false;

  // A link into a closed part opens it.
  const reveal = () => {
    let target = null;
    try { target = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    for (let part = target && target.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    if (target) target.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  if (location.hash) reveal();
})();
