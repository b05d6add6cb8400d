// The live tail of a topic: records appear as they are told. Without it the page shows the newest and can be reloaded.
"use strict";

(() => {
  const table = document.querySelector("table[data-tail]");
  if (!table || !window.EventSource) return;
  const body = table.tBodies[0];
  const state = document.getElementById("tail-state");
  const pause = document.getElementById("tail-pause");
  const clear = document.getElementById("tail-clear");
  const most = Number(table.dataset.most) || 100;
  const held = [];
  let paused = false, shown = 0, dropped = 0;

  const say = (text, kind) => { state.textContent = text; state.className = "tag " + (kind ?? ""); };
  const live = () => say(paused ? `paused · ${held.length + dropped} new` : `live · ${shown} new`, paused ? "warn" : "ok");

  const show = (html) => {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const row = holder.content.querySelector("tr");
    if (!row) return;
    body.querySelector("tr.empty")?.remove();
    body.prepend(row);
    window.hub?.localTimes(row);
    shown += 1;
    // A row that has the keyboard's focus stays, or the person would lose the place.
    while (body.rows.length > most && !body.lastElementChild.contains(document.activeElement)) body.lastElementChild.remove();
  };

  pause.hidden = clear.hidden = false;
  document.getElementById("tail-reload").hidden = true;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) { for (const html of held.splice(0)) show(html); shown += dropped; dropped = 0; }
    live();
  });
  clear.addEventListener("click", () => { body.replaceChildren(); held.length = 0; shown = dropped = 0; live(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "p" && !event.ctrlKey && !event.metaKey && !["INPUT", "TEXTAREA", "SELECT"].includes(document.activeElement?.tagName)) pause.click();
  });

  const source = new EventSource(table.dataset.tail);
  source.addEventListener("open", live);
  source.addEventListener("record", (event) => {
    const html = JSON.parse(event.data);
    if (!paused) show(html);
    else { held.push(html); if (held.length > most) { held.shift(); dropped += 1; } }
    live();
  });
  source.addEventListener("gap", (event) => {
    const row = document.createElement("tr");
    const cell = row.insertCell();
    cell.colSpan = 5;
    cell.className = "muted";
    cell.textContent = JSON.parse(event.data);
    body.prepend(row);
  });
  source.addEventListener("end", (event) => { source.close(); say(JSON.parse(event.data), "bad"); });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) say("The tail has ended or too many are open: reload the page.", "bad");
    else say("connecting…", "warn");
  });
  // A page that is left lets its tail go at once: connections of one browser to one server are few.
  window.addEventListener("pagehide", () => source.close());
})();
