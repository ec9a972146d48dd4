// The shell's behaviour, all by data attributes and delegated events, so that it outlives htmx swaps.
"use strict";
(() => {
  const root = document.documentElement;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const stored = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const store = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private window */ } };
  const announce = (text) => { const region = one("[data-announcer]"); if (region && text) region.textContent = text; };

  // ---- Before the first paint: theme, density, keys
  function dress(theme) {
    if (theme === "light" || theme === "dark") root.dataset.bsTheme = theme;
    else delete root.dataset.bsTheme;
  }
  root.classList.add("js");
  dress(root.dataset.themeChoice || stored("theme"));
  root.dataset.density = stored("density") || "dense";
  root.dataset.keys = stored("keys") || "on";

  function showPressed() {
    const theme = root.dataset.bsTheme || "auto";
    for (const button of all("[data-theme-form] button")) button.setAttribute("aria-pressed", button.value === theme);
    for (const button of all("[data-density-choice]")) button.setAttribute("aria-pressed", button.dataset.densityChoice === root.dataset.density);
    for (const box of all("[data-keys-switch]")) box.checked = root.dataset.keys === "on";
  }

  // ---- Bulk selection: form[data-bulk] with [data-bulk-item], [data-bulk-all], [data-bulk-bar]
  const items = (form) => all("[data-bulk-item]", form).filter((item) => !item.disabled);
  function refreshBulk(form, matching = false) {
    const boxes = items(form);
    const count = boxes.filter((box) => box.checked).length;
    const every = one("[data-bulk-all]", form);
    const bar = one("[data-bulk-bar]", form);
    if (every) {
      every.checked = count > 0 && count === boxes.length;
      every.indeterminate = count > 0 && count < boxes.length;
    }
    if (!bar) return;
    const total = Number(bar.dataset.total || 0);
    const label = one("[data-bulk-count]", bar);
    const more = one("[data-bulk-matching]", bar);
    const field = one("[data-bulk-matching-field]", bar);
    const whole = matching && total > 0;
    const text = (whole ? label.dataset.all : label.dataset.some).replace("{count}", whole && bar.dataset.totalText ? bar.dataset.totalText : (whole ? total : count).toLocaleString(root.lang));
    bar.classList.toggle("is-shown", count > 0);
    if (field) field.disabled = !whole;
    if (more) more.hidden = whole || count < boxes.length || total <= boxes.length;
    if (label.textContent !== text) label.textContent = text;
  }
  let lastBox = null;
  function selectRange(form, box) {
    const boxes = items(form);
    const [from, to] = [boxes.indexOf(lastBox), boxes.indexOf(box)].sort((a, b) => a - b);
    if (from >= 0) boxes.slice(from, to + 1).forEach((each) => { each.checked = box.checked; });
  }

  // ---- Clicks
  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest?.(selector);
    for (const menu of all("details[data-menu][open]")) if (!menu.contains(event.target)) menu.open = false;
    const form = hit("form[data-bulk]");
    const box = hit("[data-bulk-item]");
    let target;
    if (form && box) {
      if (event.shiftKey && lastBox) selectRange(form, box);
      lastBox = box;
      refreshBulk(form);
    } else if ((target = hit("[data-bulk-all]"))) {
      items(form).forEach((each) => { each.checked = target.checked; });
      refreshBulk(form);
    } else if (hit("[data-bulk-matching]")) {
      refreshBulk(form, true);
      one("[data-bulk-bar] [type=submit], [data-bulk-bar] button:not([type])", form)?.focus();
    } else if (hit("[data-bulk-clear]")) {
      items(form).forEach((each) => { each.checked = false; });
      refreshBulk(form);
      one("[data-bulk-all]", form)?.focus();
    } else if ((target = hit("[data-nav-toggle]"))) {
      const open = document.getElementById(target.getAttribute("aria-controls")).classList.toggle("is-open");
      target.setAttribute("aria-expanded", open);
    } else if ((target = hit("[data-dismiss]"))) {
      target.closest("[data-dismissible]").remove();
      one("#main")?.focus();
    } else if ((target = hit("[data-dialog]"))) {
      one(target.dataset.dialog)?.showModal();
    } else if ((target = hit("[data-density-choice]"))) {
      store("density", root.dataset.density = target.dataset.densityChoice);
      showPressed();
    } else if ((target = hit("[data-fill]"))) {
      for (const [name, value] of new URLSearchParams(target.dataset.fill)) one(`[name="${name}"]`).value = value;
      one("[name=password]")?.focus();
    } else if ((target = hit("[data-copy], [data-copy-from]"))) {
      copy(target, target.dataset.copy ?? one(target.dataset.copyFrom).textContent);
    }
  });

  async function copy(button, text) {
    try { await navigator.clipboard.writeText(text); } catch { // no secure context
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    announce(button.dataset.copied);
    const label = one("[data-copy-label]", button);
    if (!label || button.dataset.before) return;
    button.dataset.before = label.textContent;
    label.textContent = button.dataset.copied;
    setTimeout(() => { label.textContent = button.dataset.before; delete button.dataset.before; }, 2000);
  }

  // ---- Forms: theme, unsaved changes, confirmation, submit on change
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const question = event.submitter?.dataset.confirm || form.dataset.confirm;
    if (question && !window.confirm(question)) return event.preventDefault();
    delete form.dataset.dirty;
    if (!form.matches("[data-theme-form]") || !event.submitter) return undefined;
    event.preventDefault();
    store("theme", event.submitter.value);
    dress(event.submitter.value);
    showPressed();
    if (form.getAttribute("action")) fetch(form.action, { method: "POST", body: new FormData(form, event.submitter) });
    return undefined;
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-warn-unsaved]");
    if (form) form.dataset.dirty = "true";
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-autosubmit]")) event.target.form.requestSubmit();
    if (event.target.matches("[data-keys-switch]")) store("keys", root.dataset.keys = event.target.checked ? "on" : "off");
  });
  window.addEventListener("beforeunload", (event) => { if (one("form[data-dirty]")) event.preventDefault(); });

  // ---- Keys: / search, j and k rows, x select, ? help
  const rows = () => all(".list tbody tr, [data-row]").filter((row) => row.offsetParent);
  function step(by) {
    const list = rows();
    const at = list.indexOf(document.activeElement.closest("tr, [data-row]"));
    const row = list[at < 0 ? (by > 0 ? 0 : list.length - 1) : Math.min(Math.max(at + by, 0), list.length - 1)];
    (row && (one(".row-link", row) || one("a, button, input", row)))?.focus();
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const menu of all("details[data-menu][open]")) { menu.open = false; one("summary", menu).focus(); }
      const toggle = one("[data-nav-toggle][aria-expanded=true]");
      if (toggle) { toggle.click(); toggle.focus(); }
    }
    const typing = event.target.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
    if (typing || root.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
    const action = {
      "/": () => one("[data-search]")?.focus(),
      "?": () => one("#shortcuts")?.showModal(),
      j: () => step(1),
      k: () => step(-1),
      x: () => { const row = document.activeElement.closest("tr, [data-row]"); if (row) one("[data-bulk-item]", row)?.click(); },
    }[event.key];
    if (action) { event.preventDefault(); action(); }
  });

  // ---- htmx: keep focus and selection through a swap, say what came
  let before = null;
  document.addEventListener("htmx:configRequest", ({ detail }) => { // no empty filters in the address
    if (detail.verb === "get") for (const [name, value] of [...detail.formData]) if (value === "") detail.formData.delete(name);
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const focus = document.activeElement;
    const handle = focus.id ? `#${CSS.escape(focus.id)}` : ["href", "value", "name"].filter((name) => focus.hasAttribute(name))
      .map((name) => `[${name}="${CSS.escape(focus.getAttribute(name))}"]`).join("");
    const inside = event.detail.target?.contains(focus);
    before = { handle: inside && handle, chosen: all("[data-bulk-item]:checked").map((box) => box.value) };
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const box of all("[data-bulk-item]")) if (before?.chosen.includes(box.value)) box.checked = true;
    all("form[data-bulk]").forEach((form) => refreshBulk(form));
    if (before?.handle && document.activeElement === document.body) (one(before.handle) || one("#main"))?.focus();
    if (before) announce(one("[data-announce]")?.dataset.announce);
    before = null;
  });
  document.addEventListener("DOMContentLoaded", () => {
    showPressed();
    all("form[data-bulk]").forEach((form) => refreshBulk(form));
    for (const tab of all(".tab[aria-current]")) { // sideways only: the page stays where it begins
      const [inner, outer] = [tab, tab.parentElement].map((each) => each.getBoundingClientRect());
      tab.parentElement.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
    }
    one("[data-focus]")?.focus();
  });
})();
