/**
 * Waiting for peers of a topic, with all the ways such a wait can end.
 */
import { GossipError, rangeError } from '../errors.js'
import type { AbortSignalLike } from '../types.js'
import type { Topic } from './topic.js'

/** What ends a wait early. */
export interface WaitOptions {
  /** Rejects with the signal's reason. */
  signal?: AbortSignalLike
  /** Rejects with `ERR_GOSSIP_TIMEOUT`; default: none. */
  timeoutMs?: number
}

/**
 * Resolves when a topic has so many peers.
 *
 * @param topic - Whose peers.
 * @param count - How many, from 1.
 * @throws The signal's reason; {GossipError} `ERR_GOSSIP_TIMEOUT`, `ERR_GOSSIP_CLOSED` when the topic is left;
 *   {RangeError} `ERR_GOSSIP_BAD_OPTION`.
 */
export async function waitForPeers<T>(topic: Topic<T>, count: number, options: WaitOptions): Promise<void> {
  if (!Number.isInteger(count) || count < 1) {
    throw rangeError('ERR_GOSSIP_BAD_OPTION', `count is ${count}, it must be an integer from 1`)
  }
  const { signal, timeoutMs } = options
  signal?.throwIfAborted()
  let stop = () => {}
  const waiting = new Promise<void>((resolve, reject) => {
    const check = () => {
      if (topic.peers().length >= count) resolve()
    }
    const onClose = () => reject(new GossipError('ERR_GOSSIP_CLOSED', 'the topic was left'))
    const onAbort = () => reject(signal?.reason)
    const onTimeout = () => {
      const peers = topic.peers().length
      reject(
        new GossipError('ERR_GOSSIP_TIMEOUT', `${peers} of ${count} peers after ${timeoutMs} ms (timeoutMs)`)
      )
    }
    const timer = timeoutMs === undefined ? undefined : setTimeout(onTimeout, timeoutMs)
    topic.on('peer-add', check)
    topic.on('close', onClose)
    signal?.addEventListener('abort', onAbort)
    stop = () => {
      clearTimeout(timer)
      topic.off('peer-add', check)
      topic.off('close', onClose)
      signal?.removeEventListener('abort', onAbort)
    }
    check()
  })
  try {
    await waiting
  } finally {
    stop()
  }
}
