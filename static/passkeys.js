// Passkeys (WebAuthn): [data-passkey="get" or "create"] with data-ask and data-answer addresses; [data-passkey-error] beside it says what went wrong.
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
  const text = (buffer) => buffer ? btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "") : undefined;
  const listed = (list) => (list || []).map((each) => ({ ...each, id: bytes(each.id) }));

  async function post(url, body) {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    const response = await fetch(url, { method: "POST", body: JSON.stringify(body ?? {}), headers: { "X-CSRFToken": token, "Content-Type": "application/json", "Accept": "application/json" } });
    return response.json();
  }

  const make = {
    get: (key) => navigator.credentials.get({ publicKey: { ...key, challenge: bytes(key.challenge), allowCredentials: listed(key.allowCredentials) } }),
    create: (key) => navigator.credentials.create({ publicKey: { ...key, challenge: bytes(key.challenge), user: { ...key.user, id: bytes(key.user.id) }, excludeCredentials: listed(key.excludeCredentials) } }),
  };

  function answerOf(made) {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (made.response[name]) response[name] = text(made.response[name]);
    }
    return { id: made.id, rawId: text(made.rawId), type: made.type, response, clientExtensionResults: {} };
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-passkey]");
    if (!button) return;
    event.preventDefault();
    const place = document.querySelector("[data-passkey-error]");
    place.textContent = "";
    button.disabled = true;
    try {
      const asked = await post(button.dataset.ask);
      if (asked.url) return void location.assign(asked.url);
      const answer = answerOf(await make[button.dataset.passkey](asked.publicKey));
      const name = document.querySelector("[data-passkey-name]");
      if (name) answer.name = name.value;
      const done = await post(button.dataset.answer, answer);
      if (done.url) location.assign(done.url);
      else place.textContent = done.error;
    } catch {
      place.textContent = button.dataset.failed;
    } finally {
      button.disabled = false;
    }
  });

  const possible = window.PublicKeyCredential && !/^[\d.]+$|^\[/.test(location.hostname); // a number has no passkeys
  for (const each of document.querySelectorAll("[data-passkey], .passkey-add")) each.hidden = !possible;
})();
