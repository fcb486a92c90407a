declare module 'unbzip2-stream' {
  /** A stream that takes bzip2 and gives what was packed; an error where a checksum is wrong or the end is missing. */
  function unbzip2(): NodeJS.ReadWriteStream
  export = unbzip2
}
