/** Path the application is served under, without a slash at the end: "" or "/k8s-monitor". */
export const appRoot: string = new URL(document.baseURI).pathname.replace(/\/$/, "");

/** The address of an API path, for links such as a CSV download. */
export function apiHref(path: string, query: Record<string, string | undefined> = {}): string {
  const told = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]));
  const search = new URLSearchParams(told).toString();
  return `${appRoot}${path}${search ? `?${search}` : ""}`;
}
