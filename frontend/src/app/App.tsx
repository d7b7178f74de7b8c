import { Center, Loader, MantineProvider } from "@mantine/core";
import {
  MutationCache,
  QueryCache,
  QueryClient,
  QueryClientProvider,
  useQuery,
} from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { lazy, Suspense, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiProblem, Offline } from "../api/problem";
import { Format } from "../lib/format";
import { cspNonce } from "../lib/nonce";
import { SessionContext } from "../ui/session";
import { FormatContext } from "../ui/useFormat";
import { LogInContext } from "./logIn";
import { router } from "./router";
import { sessionQuery } from "./sessionQuery";
import { schemes, theme } from "./theme";
import { Unreachable } from "./Unreachable";

const Login = lazy(() => import("./Login"));

/** Ask who we are again when the server no longer knows us: the login page comes by itself. */
function noticeLogout(error: unknown): void {
  if (error instanceof ApiProblem && error.status === 401) {
    void client.invalidateQueries({ queryKey: sessionQuery.queryKey });
  }
}

function isWorthRetry(count: number, error: unknown): boolean {
  if (error instanceof ApiProblem) return error.status >= 500 && count < 2;
  return error instanceof Offline && count < 3;
}

const client = new QueryClient({
  queryCache: new QueryCache({ onError: noticeLogout }),
  mutationCache: new MutationCache({ onError: noticeLogout }),
  defaultOptions: {
    queries: { staleTime: 5_000, retry: isWorthRetry, refetchOnWindowFocus: true },
  },
});

/** Everything: theme, data, session, pages. */
export function App() {
  return (
    <MantineProvider
      theme={theme}
      colorSchemeManager={schemes}
      defaultColorScheme="auto"
      getStyleNonce={() => cspNonce}
    >
      <QueryClientProvider client={client}>
        <Entrance />
      </QueryClientProvider>
    </MantineProvider>
  );
}

function Entrance() {
  const { t, i18n } = useTranslation("app");
  const asked = useQuery(sessionQuery);
  const session = asked.data;
  const [wantsLogin, wantLogin] = useState(false);
  const format = useMemo(() => {
    const { currency = "USD", timeZone = "UTC" } = session ?? {};
    return new Format({ locale: i18n.language, currency, timeZone });
  }, [session, i18n.language]);
  if (!session) {
    if (asked.isError)
      return <Unreachable error={asked.error} retry={() => void asked.refetch()} />;
    return <Waiting label={t("state.loading")} />;
  }
  if (!session.isAuthenticated || (wantsLogin && session.isAnonymous)) {
    const goOn = session.isAuthenticated ? () => wantLogin(false) : undefined;
    return (
      <Suspense fallback={<Waiting label={t("state.loading")} />}>
        <Login onGoOn={goOn} />
      </Suspense>
    );
  }
  return (
    <SessionContext value={session}>
      <FormatContext value={format}>
        <LogInContext value={() => wantLogin(true)}>
          <RouterProvider router={router} />
        </LogInContext>
      </FormatContext>
    </SessionContext>
  );
}

function Waiting({ label }: { label: string }) {
  return (
    <Center mih="100vh">
      <Loader aria-label={label} />
    </Center>
  );
}
