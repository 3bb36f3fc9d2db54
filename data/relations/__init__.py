"""What relates TFs to each other (binding modes, label similarity, STRING), and groups of them."""
