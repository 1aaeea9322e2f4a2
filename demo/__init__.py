"""A small landscape in true Theia format, so that anyone can run the chain.

Open the modules in the order in which the ground becomes a file: `options` (what is
asked for), `covers` (the classes), `fields` (where each class grows), `seasons` and
`smooth` (how it looks on a day), `layout` (tiles), `ground` (what a tile shows),
`acquisitions` (when it is seen), `clouds` (what hides it), `theia` (products), `truth`
(reference data), `runcfg` (the config of a run); `landscape` ties them together, and
`streams` holds the randomness of all.
"""
