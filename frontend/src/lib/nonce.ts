const told = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]');

/** The page's nonce: style elements that are made at run time must carry it. */
export const cspNonce: string = told?.nonce ?? "";
