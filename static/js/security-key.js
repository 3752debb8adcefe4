// Lets a button ask a security key, puts its answer into a field of the form, and sends the form.
// The options come from the server in data-key-make (a new key) or data-key-use (one of yours).

const bytes = (text) => {
  const base64 = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
};

const text = (buffer) => {
  const binary = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
};

const descriptors = (list) => (list ?? []).map((item) => ({ ...item, id: bytes(item.id) }));

async function make(options) {
  const asked = options.publicKey;
  const credential = await navigator.credentials.create({
    publicKey: {
      ...asked,
      challenge: bytes(asked.challenge),
      user: { ...asked.user, id: bytes(asked.user.id) },
      excludeCredentials: descriptors(asked.excludeCredentials),
    },
  });
  return answer(credential, {
    attestationObject: text(credential.response.attestationObject),
    transports: credential.response.getTransports?.() ?? [],
  });
}

async function use(options) {
  const asked = options.publicKey;
  const credential = await navigator.credentials.get({
    publicKey: {
      ...asked,
      challenge: bytes(asked.challenge),
      allowCredentials: descriptors(asked.allowCredentials),
    },
  });
  const { authenticatorData, signature, userHandle } = credential.response;
  return answer(credential, {
    authenticatorData: text(authenticatorData),
    signature: text(signature),
    userHandle: userHandle ? text(userHandle) : null,
  });
}

function answer(credential, response) {
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: { clientDataJSON: text(credential.response.clientDataJSON), ...response },
  };
}

const why = (error) => {
  if (error.name === "InvalidStateError") return "This key is yours already.";
  if (error.name === "NotAllowedError") return "The key was not touched in time, or the request was cancelled.";
  if (error.name === "SecurityError") return "Security keys work over HTTPS and on localhost only.";
  return `The key cannot be used: ${error.message}`;
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-key-make], [data-key-use]");
  if (!button) return;
  const form = button.form;
  const problem = form.querySelector("[data-key-error]");
  problem.hidden = true;
  button.disabled = true;
  try {
    if (!window.PublicKeyCredential) throw new Error("this browser does not know them here");
    const { keyMake, keyUse, keyField } = button.dataset;
    const found = keyMake ? await make(JSON.parse(keyMake)) : await use(JSON.parse(keyUse));
    form.elements[keyField].value = JSON.stringify(found);
    // Not requestSubmit: the code beside it may stay empty.
    form.submit();
  } catch (error) {
    problem.textContent = why(error);
    problem.hidden = false;
    button.disabled = false;
  }
});
