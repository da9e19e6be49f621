/**
 * Flooding: each node sends each new message to all its connections but the one that it came from.
 *
 * Modelled: just that. No repair: what loss takes on all ways to a node stays lost.
 * Left out: everything that a real flood needs to be told apart from a storm (a signature check, a cache of ids that
 * forgets). In its favour.
 * Bytes: a frame as gossipsub's, which floodsub's is.
 */
import type { Stage } from '../scale/stage.js'
import type { ReferenceFigures } from './ledger.js'
import { Network, type Protocol } from './network.js'
import { PAYLOAD_OVERHEAD_BYTES } from './protobuf-sizes.js'

class Flood implements Protocol {
  readonly ignoresCopies = true
  readonly #network: Network

  constructor(network: Network) {
    this.#network = network
  }

  start(): void {}

  publish(message: number, author: number): void {
    this.#spread(author, message, 0, -1)
  }

  receive(_kind: number, link: number, message: number, hop: number): void {
    const network = this.#network
    const node = network.owner[link] as number
    if (!network.ledger.accept(message, node, hop, network.nowMs)) return
    if (!network.drops(node, message)) this.#spread(node, message, hop, link)
  }

  wake(): void {}

  #spread(node: number, message: number, hop: number, except: number): void {
    const network = this.#network
    const end = network.firstLink[node + 1] as number
    for (let link = network.firstLink[node] as number; link < end; link++) {
      if (link !== except) network.sendPayload(link, message, hop + 1, PAYLOAD_OVERHEAD_BYTES)
    }
  }
}

/** Plays a stage by flooding. */
export function runFlood(stage: Stage): ReferenceFigures {
  const network = new Network(stage)
  return network.run('flood', new Flood(network))
}
