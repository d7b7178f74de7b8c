/** Port of the server with the demonstration fleet, which asks nobody who they are. */
export const openPort = Number(process.env.E2E_PORT ?? 18_480);

/** Port of the server that asks for a key. */
export const guardedPort = openPort + 1;

/** The key of that server; it lives in a folder of the test. */
export const GUARDED_KEY = "the-key-of-the-guarded-test-server";
