declare module 'unbzip2-stream' {
  /** A stream that unpacks bzip2; it fails where a checksum is wrong or the end is missing. */
  function unbzip2(): NodeJS.ReadWriteStream
  export = unbzip2
}
