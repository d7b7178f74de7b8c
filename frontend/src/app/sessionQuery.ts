import { queryOptions } from "@tanstack/react-query";
import { api, got, rememberCsrfToken, type Schemas } from "../api/client";
import type { Session } from "../ui/session";

export type SessionAnswer = Schemas["Session"];

/** Who looks; asked at the start, after logging in or out, and whenever the server says 401. */
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async () => sessionOf(await got(api.GET("/api/v1/session"))),
  staleTime: Number.POSITIVE_INFINITY,
  retry: 2,
});

/** Take the server's answer over; its token goes to the client, nowhere else. */
export function sessionOf(answer: SessionAnswer): Session {
  rememberCsrfToken(answer.csrfToken ?? "");
  return {
    isAuthenticated: answer.authenticated,
    needsLogin: answer.loginNeeded,
    isAnonymous: answer.anonymous,
    name: answer.name,
    roles: answer.roles,
    permissions: answer.permissions,
    team: answer.team,
    user: answer.user,
    currency: answer.currency,
    timeZone: answer.timeZone,
    clusterName: answer.clusterName,
    version: answer.version,
  };
}
