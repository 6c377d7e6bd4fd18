"use strict";

// Loads the arguments of the definition that was chosen. Without this script a button does the same.
document.addEventListener("DOMContentLoaded", () => {
  const select = document.querySelector("select[name=definition]");
  const region = () => document.getElementById("jobs-arguments");
  if (!select || !region()) {
    return;
  }
  let latest = 0;

  const load = async () => {
    const data = new FormData(select.form);
    data.set("_load_arguments", "1");
    const response = await fetch(window.location.href, { method: "POST", body: data });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    return response.ok ? page.getElementById("jobs-arguments") : null;
  };

  const tellFailure = () => {
    const note = document.createElement("p");
    note.className = "errornote";
    note.textContent = "The arguments could not be loaded. Try the button below.";
    region().querySelector(".errornote")?.remove();
    region().prepend(note);
  };

  select.addEventListener("change", async () => {
    const turn = ++latest;
    region().setAttribute("aria-busy", "true");
    const loaded = await load().catch(() => null);
    if (turn !== latest) {
      return;
    }
    region().removeAttribute("aria-busy");
    if (loaded) {
      region().replaceWith(document.adoptNode(loaded));
    } else {
      tellFailure();
    }
  });
});
