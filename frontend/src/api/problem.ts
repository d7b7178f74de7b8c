import { told } from "../lib/told";

/** What the server answers when it cannot do what was asked (RFC 9457). */
export interface ProblemDocument {
  status: number;
  code: string;
  title: string;
  detail: string;
  requestId?: string;
  errors?: FieldError[];
  [member: string]: unknown;
}

interface FieldError {
  field?: string;
  rule?: string;
  message?: string;
  /** The numbers of the rule: `{le: 80}`. */
  params?: Record<string, unknown>;
}

/** A problem document as an error: `detail` says what failed, with the numbers that matter. */
export class ApiProblem extends Error {
  constructor(
    readonly document: ProblemDocument,
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(document.detail || document.title);
    this.name = "ApiProblem";
  }

  get status(): number {
    return this.document.status;
  }

  get code(): string {
    return this.document.code;
  }

  /** What is wrong with each field of a form, by field name. */
  get fieldErrors(): Record<string, string> {
    const errors = this.document.errors ?? [];
    return Object.fromEntries(errors.map((one) => [one.field ?? "", wordsOf(one)]));
  }
}

function wordsOf(error: FieldError): string {
  const [rule, own] = [error.rule ?? "", error.message ?? error.rule ?? ""];
  return told("rule", rule, error.params ?? {}, own) ?? told("rule", "value", {}, own) ?? own;
}

/** The server did not answer at all. */
export class Offline extends Error {
  constructor() {
    super("the server does not answer");
    this.name = "Offline";
  }
}

/** Read the problem of a failed answer, whatever was sent. */
export async function problemOf(answer: Response): Promise<ApiProblem> {
  const retry = Number(answer.headers.get("Retry-After"));
  const wait = Number.isFinite(retry) && retry > 0 ? retry : null;
  const plain = { status: answer.status, code: `HTTP_${answer.status}`, title: "", detail: "" };
  try {
    return new ApiProblem({ ...plain, ...((await answer.json()) as object) }, wait);
  } catch {
    return new ApiProblem({ ...plain, title: answer.statusText }, wait);
  }
}
