/** The name of a GPU: `<node>-GPU-<two digits>`, as the whole API writes it. */
export function deviceName(node: string, index: number): string {
  return `${node}-GPU-${String(index).padStart(2, "0")}`;
}
