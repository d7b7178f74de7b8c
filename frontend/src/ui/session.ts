import { createContext, useContext } from "react";

/** Who looks, and what the server told about itself. */
export interface Session {
  isAuthenticated: boolean;
  /** False where authentication is switched off: nobody logs in. */
  needsLogin: boolean;
  /** Nobody said who they are: a key may open more. */
  isAnonymous: boolean;
  name: string;
  roles: string[];
  permissions: string[];
  team: string | null;
  user: string | null;
  currency: string;
  timeZone: string;
  clusterName: string;
  version: string;
}

export const SessionContext = createContext<Session | null>(null);

/** The session; pages are only shown with one. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error("there is no session around this part");
  return session;
}

/** Whether the caller holds a permission, such as `devices.write`. */
export function useMay(permission: string): boolean {
  return useSession().permissions.includes(permission);
}
