/**
 * What a command gets, and the options that several of them share.
 */
import type { Flags } from './args.js'
import type { Output } from './output.js'

/** One call of the command line tool. */
export interface Context {
  /** Words after the command that aren't flags. */
  words: string[]
  flags: Flags
  output: Output
  /** Aborted by Ctrl+C, by a request to terminate, and when nobody reads our output any more. */
  signal: AbortSignal
}

/** A command. It rejects when it failed, and cleans up before it settles. */
export type Command = (context: Context) => Promise<void>
