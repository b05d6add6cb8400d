// Bulk actions step by step, with a bar that shows how far they are. Without it one request does all the steps.
"use strict";

document.addEventListener("submit", (event) => {
  const form = event.target, button = event.submitter;
  const needed = button?.dataset.needs && form.elements[button.dataset.needs];
  if (needed && needed.value.trim().length < 3) {
    event.preventDefault();
    needed.setCustomValidity("Say why, in three characters or more.");
    needed.reportValidity();
    needed.addEventListener("input", () => needed.setCustomValidity(""), { once: true });
    return;
  }
  if (event.defaultPrevented || !form.matches("[data-bulk]")) return;
  event.preventDefault();
  run(form, button).catch((error) => {
    const words = document.createElement("p");
    words.className = "flash failed";
    words.setAttribute("role", "alert");
    words.textContent = error.message;
    form.append(words);
  });
});

async function run(form, button) {
  const fields = new FormData(form, button ?? undefined);
  const total = Number(form.dataset.total) || fields.getAll("parked_id").length || 0;
  const bar = document.createElement("progress");
  bar.setAttribute("aria-label", "Done so far");
  const known = form.dataset.total || fields.get("everything") === null;
  if (known && total) { bar.max = total; bar.value = 0; }
  const words = document.createElement("span");
  words.setAttribute("role", "status");
  form.append(bar, " ", words);
  for (const each of form.querySelectorAll("button")) each.disabled = true;
  let done = 0;
  for (;;) {
    const answer = await fetch(form.action, {
      method: "POST", body: new URLSearchParams(fields), credentials: "same-origin",
      headers: { accept: "application/json", "x-csrf-token": window.hub.csrf },
    });
    if (answer.redirected) { location.href = answer.url; return; }
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.detail || told.title || "That did not work.");
    done += told.done;
    words.textContent = `${done} done`;
    if (known && total) bar.value = Math.min(done, bar.max);
    if (told.after === null) { location.href = told.back; return; }
    fields.set("after", told.after);
    fields.set("sofar", String(done));
  }
}
