/** Port of the server with the demonstration fleet, which asks nobody who they are. */
export const openPort = Number(process.env.E2E_PORT ?? 18_480);

/** Port of the server that asks for a key. */
export const guardedPort = openPort + 1;

/** Port of the server that lets everybody look, and asks for a key to do more. */
export const visitedPort = openPort + 2;

/** Port of the server that plays a day; it hands on to the open one whatever it does not play. */
export const dayPort = openPort + 3;

/** Port of the server that goes away and comes back. */
export const leavingPort = openPort + 4;

/** The key of the guarded and the visited one; it lives in a folder of the test. */
export const GUARDED_KEY = "the-key-of-the-guarded-test-server";
