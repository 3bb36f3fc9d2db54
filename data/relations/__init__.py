"""What relates TFs to each other (binding modes, label similarity, STRING), and groups of them.

Which of these groups a multi-model learns is decided in `experiments`.
"""
