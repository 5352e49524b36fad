// The page at `/`: sends a photo to /v1/identify and draws the answer on it. No library, no other host.

const by = (id) => document.getElementById(id);
const state = { file: null, pending: null };

class Refused extends Error {}

/** Fetch JSON; an error's message is the sentence that the service wrote for people. */
async function call(path, options) {
  const response = await fetch(path, options).catch((error) => {
    throw error.name === "AbortError" ? error : new Refused("The service cannot be reached.");
  });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(body.detail ?? `The service answered ${response.status}.`);
  return { body, status: response.status };
}

function say(text, { wrong = false, busy = false } = {}) {
  by("message").textContent = text;
  by("message").classList.toggle("wrong", wrong);
  by("message").scrollIntoView({ block: "nearest" });
  document.body.classList.toggle("busy", busy);
}

/** Run an action, with its progress and its failure said on the page. */
async function doing(text, action) {
  say(text, { busy: true });
  try {
    say((await action()) ?? "");
  } catch (error) {
    if (error.name === "AbortError") return; // another photo took its place
    if (!(error instanceof Refused)) throw error;
    say(error.message, { wrong: true });
  }
}

function form(file) {
  const data = new FormData();
  data.append("image", file, file.name || "photo");
  return data;
}

const collection = () => by("collection").value || "default";

/** List all collections: in place of one that were left out the first of the others would be searched. */
async function fillCollections() {
  const items = [];
  const query = new URLSearchParams({ limit: 1000 });
  for (let after = ""; after !== null; query.set("after", after)) {
    const { body } = await call(`/v1/collections?${query}`);
    items.push(...body.items);
    after = body.next_after;
  }
  const chosen = collection();
  by("collection").replaceChildren(
    ...items.map(({ collection_id: id, persons }) => new Option(`${id} (${persons} enrolled)`, id, false, id === chosen)),
  );
}

async function identify(file) {
  state.pending?.abort();
  state.pending = new AbortController();
  state.file = file;
  by("result").hidden = true;
  await doing("Looking for faces…", async () => {
    const count = await look(file);
    return count === 0 ? "No face was found in this photo." : count === 1 ? "One face." : `${count} faces.`;
  });
}

/** Have a photo recognised, show the answer, return how many faces it has. */
async function look(file) {
  const { signal } = state.pending; // of this photo, whatever is sent while the collections are asked for
  if (by("collection").length === 0) await fillCollections(); // the service was away when the page was opened
  const query = new URLSearchParams({ collection: collection() });
  const { body } = await call(`/v1/identify?${query}`, { method: "POST", body: form(file), signal });
  await show(file, body);
  return body.faces.length;
}

async function enrol(event) {
  event.preventDefault();
  if (document.body.classList.contains("busy")) return; // a second click, which would be told of the first one's photo
  const person = by("person").value;
  await doing(`Enrolling ${person}…`, async () => {
    const path = `/v1/collections/${encodeURIComponent(collection())}/faces`;
    const { status } = await call(`${path}?${new URLSearchParams({ person })}`, { method: "POST", body: form(state.file) });
    by("enrol").reset();
    await fillCollections();
    await look(state.file);
    return status === 201 ? `${person} is enrolled.` : `This photo was enrolled as ${person} before.`;
  });
}

async function show(file, answer) {
  by("result").hidden = false;
  by("table").hidden = answer.faces.length === 0;
  by("enrol").hidden = answer.faces.length !== 1;
  by("took").textContent = `${answer.image.width} × ${answer.image.height} pixels, answered in ${Math.round(answer.took_ms.total)} ms`;
  by("canvas").setAttribute("aria-label", `The photo with ${answer.faces.length} faces marked`);
  by("faces").replaceChildren(...answer.faces.map(row));
  await draw(file, answer);
}

function row(face, index) {
  const line = document.createElement("tr");
  const best = face.candidates.find((one) => one.person === face.person && face.person !== null);
  const next = face.candidates.filter((one) => one !== best).slice(0, 2);
  for (const text of [
    index + 1,
    face.person ?? "unknown",
    best ? best.similarity.toFixed(1) : "–",
    next.map((one) => `${one.person ?? "unnamed"} ${one.similarity.toFixed(1)}`).join(", ") || "–",
  ]) {
    line.insertCell().textContent = text;
  }
  if (face.person === null) line.cells[1].className = "nobody";
  return line;
}

/** Draw the photo upright with its boxes; pixels of the answer are pixels of the upright photo. */
async function draw(file, { image, faces }) {
  const canvas = by("canvas");
  const scale = Math.min(1, 2400 / Math.max(image.width, image.height));
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  const context = canvas.getContext("2d");
  try {
    const photo = await createImageBitmap(file, { imageOrientation: "from-image" });
    context.drawImage(photo, 0, 0, canvas.width, canvas.height);
    photo.close();
  } catch {
    context.fillStyle = "#888";
    context.fillRect(0, 0, canvas.width, canvas.height);
    by("took").textContent += "; this browser cannot show this kind of file";
  }
  // One CSS pixel in pixels of the canvas, so that lines and letters look the same on every photo.
  const unit = canvas.width / Math.max(1, canvas.getBoundingClientRect().width);
  faces.forEach((face, index) => drawFace(context, face, index, scale, unit));
}

function drawFace(context, { box, person, candidates }, index, scale, unit) {
  const [left, top, width, height] = [box.left, box.top, box.width, box.height].map((value) => value * scale);
  const color = person === null ? "#ffd166" : "#4fe0b5";
  context.lineWidth = 2.5 * unit;
  context.strokeStyle = "#0008";
  context.strokeRect(left - unit, top - unit, width + 2 * unit, height + 2 * unit);
  context.strokeStyle = color;
  context.strokeRect(left, top, width, height);

  const best = candidates.find((one) => one.person === person && person !== null);
  const text = best ? `${index + 1} ${person} ${Math.round(best.similarity)}` : `${index + 1}`;
  const size = 13 * unit;
  context.font = `600 ${size}px system-ui, sans-serif`;
  const wide = context.measureText(text).width + size * 0.8;
  const high = size * 1.5;
  const x = Math.max(0, Math.min(left, context.canvas.width - wide));
  const y = top - high >= 0 ? top - high : Math.min(top + height, context.canvas.height - high);
  context.fillStyle = color;
  context.fillRect(x, y, wide, high);
  context.fillStyle = "#10201c";
  context.textBaseline = "middle";
  context.fillText(text, x + size * 0.4, y + high / 2);
}

/** Identify the first photo of a list, and say so if all it holds is empty files. */
function take(list) {
  const files = [...(list ?? [])];
  const file = files.find((one) => one.size > 0);
  if (file) identify(file);
  else if (files.length > 0) say(`${files[0].name || "The file"} is empty; choose another photo.`, { wrong: true });
}

// A photo may be dropped anywhere: beside the box the browser would open it in place of this page.
const drop = by("drop");
const holdsFiles = (event) => event.dataTransfer.types.includes("Files");
document.addEventListener("dragover", (event) => {
  if (!holdsFiles(event)) return; // letters, for the name
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) drop.classList.remove("over"); // it has left the page
});
document.addEventListener("drop", (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => {
  take(event.clipboardData.files);
});
by("photo").addEventListener("change", (event) => {
  take(event.target.files);
  event.target.value = ""; // the same file may be chosen again
});
by("collection").addEventListener("change", () => { if (state.file) identify(state.file); });
by("upload").addEventListener("submit", (event) => event.preventDefault());
by("enrol").addEventListener("submit", enrol);

// Nothing is said of it unless it fails: somebody may have chosen a file meanwhile, and reads what became of that.
fillCollections().catch((error) => {
  if (!(error instanceof Refused)) throw error;
  say(error.message, { wrong: true });
});
