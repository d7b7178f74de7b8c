import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router";
import { speakOf } from "../lib/i18n";
import { appRoot } from "../lib/root";
import { parseSearch, writeSearch } from "../lib/urlState";
import { Loading } from "../ui/states";
import { Broken, NotFoundPage } from "./ErrorPages";
import { features } from "./features";
import { Layout } from "./Layout";

const root = createRootRoute({ component: Layout, notFoundComponent: NotFoundPage });

const pages = features
  .flatMap((feature) => feature.routes.map((route) => ({ ...route, feature: feature.name })))
  .map((route) =>
    createRoute({
      getParentRoute: () => root,
      path: route.path,
      component: lazyRouteComponent(async () => {
        const [page] = await Promise.all([route.page(), speakOf(route.feature)]);
        return page;
      }),
      errorComponent: Broken,
      pendingComponent: () => <Loading />,
    }),
  );

/** The router over every feature's pages. */
export const router = createRouter({
  routeTree: root.addChildren(pages),
  basepath: appRoot || "/",
  parseSearch: (text) => parseSearch(text),
  stringifySearch: (search) => writeSearch(search),
  defaultPreload: "intent",
  scrollRestoration: true,
});
