"""A flow as one SVG page that can be hung up: the path at a glance, a panel for each phase, boxes of words.

Graphviz places the cards inside a phase, everything else is placed here. Every state is one element with the id
`state-NAME`; every phase has a second one, `path-NAME`, on the path. Both bear `data-state`, and the class `current`
where the chart stands.
"""
