### Die Wörter eines Berichts; siehe en.ftl.

not-defined = nicht definiert
foci = { $n ->
    [one] { $count } Herd
   *[other] { $count } Herde
}
