import createClient, { type Middleware } from "openapi-fetch";
import { appRoot } from "../lib/root";
import { Offline, problemOf } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);
let csrfToken = "";
let language = "en";

/** Tell the client the session's token; every change sends it along. */
export function rememberCsrfToken(token: string): void {
  csrfToken = token;
}

/** Ask for problem titles in this language. */
export function rememberApiLanguage(name: string): void {
  language = name;
}

const middleware: Middleware = {
  onRequest({ request }) {
    request.headers.set("Accept-Language", language);
    if (!SAFE.has(request.method) && csrfToken) request.headers.set("X-CSRF-Token", csrfToken);
    return request;
  },
  async onResponse({ response }) {
    if (!response.ok) throw await problemOf(response);
    return response;
  },
  onError({ error }) {
    if (error instanceof DOMException && error.name === "AbortError") return error;
    return new Offline();
  },
};

/**
 * The API, typed by its OpenAPI document: `await got(api.GET("/api/v1/gpu/overview"))`.
 * Lists come bare; `got`, `listed` and `tagged` throw ApiProblem or Offline.
 */
export const api = createClient<paths>({
  baseUrl: `${window.location.origin}${appRoot}`,
  headers: { "X-GPU-Envelope": "false" },
  fetch: (request) => globalThis.fetch(request),
});
api.use(middleware);

type Answer<A> = Promise<{ data?: A; response: Response }>;

/** A body as we ask for it: the document also declares envelopes and CSV. */
export type Bare<A> = A extends string | { data: unknown; meta: unknown } ? never : A;
type RowOf<A> = Bare<A> extends readonly (infer Row)[] ? Row : never;

/** The body of an answer. */
export async function got<A>(answer: Answer<A>): Promise<Bare<A>> {
  return (await answer).data as Bare<A>;
}

export interface Listing<Row> {
  rows: Row[];
  /** Rows there are in all, on every page. */
  total: number;
  /** What to send as `cursor` for the next page; null on the last. */
  nextCursor: string | null;
}

/** A page of a list. */
export async function listed<A>(answer: Answer<A>): Promise<Listing<RowOf<A>>> {
  const { data, response } = await answer;
  const rows = (data ?? []) as RowOf<A>[];
  const total = Number(response.headers.get("X-Total-Count") ?? rows.length);
  return { rows, total, nextCursor: response.headers.get("X-Next-Cursor") };
}

export interface Tagged<T> {
  value: T;
  /** Send it back as `If-Match`, so that nobody's change is overwritten unseen. */
  etag: string | undefined;
}

/** A body with its edition. */
export async function tagged<A>(answer: Answer<A>): Promise<Tagged<Bare<A>>> {
  const { data, response } = await answer;
  return { value: data as Bare<A>, etag: response.headers.get("ETag") ?? undefined };
}
