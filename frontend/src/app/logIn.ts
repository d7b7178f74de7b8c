import { createContext, useContext } from "react";
import { useSession } from "../ui/session";

/** Shows the log-in page in place of the pages; the address stays. */
export const LogInContext = createContext<() => void>(() => undefined);

/** The way to the log-in page, for a visitor whom a key may show more; null for everybody else. */
export function useLogIn(): (() => void) | null {
  const open = useContext(LogInContext);
  const { needsLogin, isAnonymous } = useSession();
  return needsLogin && isAnonymous ? open : null;
}
