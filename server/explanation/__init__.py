"""Why a model gave an answer, calculated from its sealed graph alone.

``wire`` reads protobuf, ``graph`` the parts of ONNX that are needed, ``columns`` follows single features
through the graph, ``outline`` finds the one node that weighs them against each other, ``forest`` and
``shapley`` (or ``linear``) say what each feature added, ``explainer`` puts them together and holds the result
against the answer.
"""
