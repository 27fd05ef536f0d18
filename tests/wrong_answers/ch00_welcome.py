"""Named wrong answers for chapter 00. Each must fail with a message that names the mistake."""

HEAD = "\ndef tokens_per_parameter(steps, batch_size, context_length, parameters):\n    "

WRONG_ANSWERS = [
    # exercise, name of the mistake, code that replaces the function, a fragment of the message
    (
        "0.1",
        "parameters for each token",
        HEAD + "return parameters / (steps * batch_size * context_length)\n",
        "divide the other way round",
    ),
    (
        "0.1",
        "drops the fraction",
        HEAD + "return steps * batch_size * context_length // parameters\n",
        "`//` drops it",
    ),
    (
        "0.1",
        "counts sequences, not tokens",
        HEAD + "return steps * batch_size / parameters\n",
        "you counted sequences",
    ),
    (
        "0.1",
        "one sequence a step",
        HEAD + "return steps * context_length / parameters\n",
        "one sequence a step",
    ),
    (
        "0.1",
        "one step alone",
        HEAD + "return batch_size * context_length / parameters\n",
        "the tokens of one step",
    ),
    (
        "0.1",
        "forgets the parameters",
        HEAD + "return steps * batch_size * context_length\n",
        "share them out",
    ),
    (
        "0.1",
        "rounds",
        HEAD + "return round(steps * batch_size * context_length / parameters, 2)\n",
        "the result is rounded",
    ),
    (
        "0.1",
        "prints and returns nothing",
        HEAD + "print(steps * batch_size * context_length / parameters)\n",
        "is there a `return`",
    ),
]
