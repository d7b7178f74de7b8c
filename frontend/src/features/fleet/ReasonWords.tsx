import { Original, useTold } from "../../ui/Told";

/** Why a GPU is in its state: an error of its own, a word of the server, or what somebody wrote. */
export function ReasonWords({ reason }: { reason: string }) {
  const speak = useReasonWords();
  const words = speak(reason);
  if (words === reason) return <span translate="no">{reason}</span>;
  return (
    <>
      {words} <Original text={reason} />
    </>
  );
}

/** The same as plain text; what people wrote stays as they wrote it. */
export function useReasonWords(): (reason: string) => string {
  const told = useTold();
  return (reason) => {
    const xid = /^XID (\d+)\b/.exec(reason)?.[1];
    const words = xid ? told("finding", `xid-${xid}`, {}, reason) : null;
    return words ?? told("deviceReason", reason, {}, reason) ?? reason;
  };
}
