/**
 * The table at the end of the demo.
 */
import { aligned } from '../aligned.js'
import type { Result } from './messages.js'

const HEAD = [
  'member',
  'pid',
  'lines written',
  'messages delivered',
  'introduced',
  'accepted',
  'refused',
  'blocks replicated',
  'bytes compared',
  'verdict'
]

const row = (result: Result): string[] => [
  `m${result.index}`,
  String(result.pid),
  String(result.written),
  `${result.delivered} of ${result.expected}`,
  String(result.introduced),
  String(result.accepted),
  String(result.refused),
  String(result.blocks),
  String(result.bytes),
  result.faults.length === 0 ? 'ok' : `FAULT: ${result.faults.join('; ')}`
]

/** One line for each member, below the names of the columns. */
export function table(results: readonly Result[]): string {
  return aligned([HEAD, ...results.map(row)])
}
