/**
 * Standard input, until it ends or the run does.
 */

/**
 * What comes on standard input. Destroying it ends the loop, and lets the process end while whoever writes to us goes on.
 *
 * @throws The reason of `signal`, once that is aborted.
 */
export async function* stdin(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stop = () => process.stdin.destroy()
  signal.addEventListener('abort', stop)
  try {
    for await (const chunk of process.stdin) yield chunk as Uint8Array
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    stop()
  }
  signal.throwIfAborted()
}
