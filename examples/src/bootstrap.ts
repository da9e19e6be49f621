/** Reads the `HOST:PORT` argument of the examples. */

/** Options for a swarm: the bootstrap node that was named, or none, which means the public DHT. */
export function bootstrapOf(address: string | undefined): { bootstrap?: { host: string; port: number }[] } {
  if (address === undefined) return {}
  const [host, port] = address.split(':')
  if (host === undefined || port === undefined) throw new TypeError(`${address} is not HOST:PORT`)
  return { bootstrap: [{ host, port: Number(port) }] }
}
