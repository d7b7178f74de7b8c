/** What `useInfiniteQuery` tells of a list that comes page by page. */
interface Paged {
  data?: { pages: { rows: readonly unknown[]; total: number | null }[] };
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}

/** The `more` of a table whose pages are asked for one by one. */
export function moreOf(list: Paged) {
  const pages = list.data?.pages ?? [];
  return {
    has: list.hasNextPage,
    isLoading: list.isFetchingNextPage,
    load: () => void list.fetchNextPage(),
    total: pages[0]?.total ?? pages.reduce((count, page) => count + page.rows.length, 0),
  };
}
