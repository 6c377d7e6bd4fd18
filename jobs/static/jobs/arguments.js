"use strict";

// Loads the arguments of the definition that was chosen. Without this script a button does the same.
document.addEventListener("DOMContentLoaded", () => {
  const select = document.querySelector("select[name=definition]");
  const region = () => document.getElementById("jobs-arguments");
  if (!select || !region()) {
    return;
  }
  let latest = 0;
  select.addEventListener("change", async () => {
    const turn = ++latest;
    const data = new FormData(select.form);
    data.set("_load_arguments", "1");
    region().setAttribute("aria-busy", "true");
    try {
      const response = await fetch(window.location.href, { method: "POST", body: data });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const loaded = page.getElementById("jobs-arguments");
      if (turn === latest && response.ok && loaded) {
        region().replaceWith(document.adoptNode(loaded));
      }
    } finally {
      // The button is still there for whoever is offline.
      region().removeAttribute("aria-busy");
    }
  });
});
