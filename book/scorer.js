// Order of search results: chapters first, the library's source last. Numbers are Sphinx's own.
var Scorer = {
  score: ([page, , , , score]) =>
    score + (page.startsWith("chapters/") ? 20 : page.startsWith("phi1_lib/") ? -20 : 0),
  objNameMatch: 11, objPartialMatch: 6, objPrio: {0: 15, 1: 5, 2: -5}, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
