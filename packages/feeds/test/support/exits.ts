/** The end of child processes that talk over IPC. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/**
 * Waits until a child is gone and all that it said was heard. @returns The signal that ended it.
 *
 * Node tells 'exit' as soon as the process is gone; what it sent just before may still be in the pipe then, until 'disconnect'.
 */
export async function exitOf(child: ChildProcess): Promise<string | null> {
  const [[, signal]] = await Promise.all([once(child, 'exit'), once(child, 'disconnect')])
  return signal as string | null
}
