// Requests to the native API with the session's cookie; the CSRF token goes along with every write.

const ROOT = "/api/v1";
const SPECIAL = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };

export class ApiError extends Error {
  constructor(status, body) {
    super(body?.message || `The server answered ${status}.`);
    this.status = status;
    this.code = body?.code || "";
  }
}

function csrfToken() {
  const field = document.querySelector("input[name=csrfmiddlewaretoken]");
  return field ? field.value : "";
}

export function withQuery(path, query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "") parameters.append(name, each);
    }
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

async function readJson(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

export async function request(method, path, { query, body, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(ROOT + withQuery(path, query), {
    method,
    headers,
    signal,
    credentials: "same-origin",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = response.status === 204 ? null : await readJson(response);
  if (!response.ok) throw new ApiError(response.status, answer);
  return answer;
}

export const get = (path, query, signal) => request("GET", path, { query, signal });
export const post = (path, body) => request("POST", path, { body: body ?? {} });
export const patch = (path, body) => request("PATCH", path, { body });

/** Where all points of a series, or of all series of a run, are downloaded. */
export const exportAddress = (run, format, path) => ROOT + withQuery(`/runs/${run}/export/`, { format, path });

/** All results of a list, page by page, up to `most`. */
export async function getAll(path, query = {}, most = 20000) {
  const found = [];
  let cursor = "";
  do {
    const page = await get(path, { limit: 1000, ...query, cursor });
    found.push(...page.results);
    cursor = page.next;
  } while (cursor && found.length < most);
  return found;
}

/** JSON has no NaN and no infinities: the API spells them out. */
export function toNumber(value) {
  if (typeof value === "number") return value;
  if (value === null || value === undefined) return null;
  return value in SPECIAL ? SPECIAL[value] : Number(value);
}
