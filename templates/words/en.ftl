### The words of a slide's report. A laboratory's own words/en.ftl may hold any of these messages instead.
### { $name } stands for a value, already written out; { $n -> [one] ... *[other] ... } chooses by a number.

not-defined = not defined
foci = { $n ->
    [one] { $count } focus
   *[other] { $count } foci
}
