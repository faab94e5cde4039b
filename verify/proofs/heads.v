(* Heads: what they add in every case, and to the error.

   Lemmas K3 (other positions), K4 (heads in the limit) and K5 (leaks) of docs/certificates.md,
   rules 3 and 4 of the kernel. In words: keys and values read no written column, so they are
   those of the start, without error; the key of a position is one for all its tokens; in each
   case the selected positions have one key, and all others a score lower by `gap` and by what an
   error of the query may move. Then the head adds the mean of the selected values, up to
   `lambda moved`: lambda the weight that may leak by that gap, `moved` the largest difference of
   what a selected and another position would add.

   In Python: `Position.add_heads`, `seen`, `mixed` and `leaks` in verify/kernel/proof.py. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer products stated rules weights.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Heads.
Variables (F : realDomainType) (N R d n : nat).
Variables (weigh : weighing F) (leak : F -> F).
Hypothesis weighs : leaks_at_most weigh n leak.
Variable held : 'I_n.+1 -> token N R -> 'cV[F]_d.
Variable may : 'I_n.+1 -> token N R -> Prop.
Variable any : 'I_n.+1 -> token N R.
Hypothesis any_may : forall p, may p (any p).
Implicit Types (st : state F N R d n) (h : head F d) (p q : 'I_n.+1) (e : node N).

(* What the kernel finds of a head. *)
Record finding := Finding {
  selected : node N -> seq (letter R) -> {set 'I_n.+1}; (* `chosen` *)
  added : node N -> seq (letter R) -> 'cV[F]_d;         (* by case, `added / count` *)
  late : 'I_n.+1 -> token N R -> 'cV[F]_d;              (* rows of tokens that are not at hand *)
  gap : F;
  lambda : F;
  moved : 'cV[F]_d
}.

Definition key_at h p : 'cV[F]_(d_qk h) := key h *m held p (any p).

Definition value_at h p v : 'cV[F]_d := output h *m (value h *m held p v).

Definition score_at st h e u p : F :=
  \sum_i (query h *m seen any st e u) i 0 * key_at h p i 0.

(* By how much an error of the query may move the difference of two scores. *)
Definition shaken st h p q : F :=
  \sum_i (sizes (query h) *m error st) i 0 * `|key_at h p i 0 - key_at h q i 0|.

Definition at_hand st (t : 'I_n.+1 -> token N R) e u : Prop :=
  (forall p, at_node st = Some p -> t p = name R e) /\
  [seq t p | p <- at_letters st] = [seq Letter r | r <- u].

Record head_checked st h (f : finding) : Prop := HeadChecked {
  keys_unwritten : blind (written st) (key h);
  values_unwritten : blind (written st) (value h);
  query_reads : reads may (query h) st;
  keys_alike : forall p v v', may p v -> may p v' -> key h *m held p v = key h *m held p v';
  some_selected : forall e u, cases st e u -> exists p, p \in selected f e u;
  one_key : forall e u p q, cases st e u -> p \in selected f e u -> q \in selected f e u ->
    key_at h p = key_at h q;
  gap_holds : forall e u p q, cases st e u -> p \in selected f e u -> q \notin selected f e u ->
    gap f + shaken st h p q <= score_at st h e u p - score_at st h e u q;
  leaks_little : leak (gap f) <= lambda f;
  mean_known : forall t e u, possible may t -> cases st e u -> at_hand st t e u ->
    \sum_(p in selected f e u) value_at h p (t p)
      = (added f e u + \sum_p late f p (t p)) *+ #|selected f e u|;
  moved_ge0 : forall c, 0 <= moved f c 0;
  moves_little : forall e u p q v v' c, cases st e u -> p \in selected f e u ->
    q \notin selected f e u -> may p v -> may q v' ->
    `|value_at h q v' c 0 - value_at h p v c 0| <= moved f c 0
}.

Section OneHead.
Variables (st : state F N R d n) (h : head F d) (f : finding).
Hypothesis checked : head_checked st h f.
Variables (t : 'I_n.+1 -> token N R) (e : node N) (u : seq (letter R)) (x : streams F d n).
Hypothesis can : possible may t.
Hypothesis stands : holds held st t e u x.

(* Lemma K3. *)
Lemma key_exact p : key h *m x p = key_at h p.
Proof.
have [no_k _ _ alike _ _ _ _ _ _ _] := checked.
rewrite /key_at -(alike p (t p)) //.
by apply: product_unread no_k _ => c; apply: (not_written stands).
Qed.

Lemma value_exact p : output h *m (value h *m x p) = value_at h p (t p).
Proof.
have [_ no_v _ _ _ _ _ _ _ _ _] := checked.
by congr (_ *m _); apply: product_unread no_v _ => c; apply: (not_written stands).
Qed.

Let s : {ffun 'I_n.+1 -> F} := [ffun q => score h (x ord_max) (x q)].

Lemma real_score q : s q = \sum_i (query h *m x ord_max) i 0 * key_at h q i 0.
Proof. by rewrite ffunE /score key_exact. Qed.

(* Lemma K4: the score of equal keys is equal, also that of the real query. *)
Lemma equal_scores p q : p \in selected f e u -> q \in selected f e u -> s p = s q.
Proof.
have [_ _ _ _ _ one _ _ _ _ _] := checked => in_p in_q.
by rewrite !real_score (one e u p q (in_cases stands)).
Qed.

(* Lemma K5: a real score difference is at least that of the limit, less what is shaken. *)
Lemma real_gap p q : p \in selected f e u -> q \notin selected f e u -> gap f <= s p - s q.
Proof.
have [_ _ rd _ _ _ above _ _ _ _] := checked => in_p out_q.
have := above e u p q (in_cases stands) in_p out_q.
rewrite -ler_subr_addr => /le_trans; apply.
rewrite ler_subl_addr -ler_subl_addl /score_at !real_score -!sumrB.
apply: (le_trans (ler_norm _)); apply: (le_trans (ler_norm_sum _ _ _)).
apply: ler_sum => i _; rewrite -!mulrBr -mulrBl normrM.
by apply: ler_wpmul2r => //; rewrite distrC; apply: (read_within any_may rd can stands).
Qed.

Lemma head_within :
  within pred0 (lambda f *: moved f) (head_adds weigh h x ord_max)
    (added f e u + \sum_p late f p (t p)).
Proof.
have [_ _ _ _ some _ _ little mean moved0 moves] := checked.
have listed := in_cases stands; set A := selected f e u.
have [a in_A] := some e u listed.
have [w_ge0 w_sum w_alike w_out] := weighs (some e u listed) equal_scores real_gap.
set w := weigh ord_max s in w_ge0 w_sum w_alike w_out.
set mu := _ + _; move=> c _.
have mean_c : \sum_(p in A) (value_at h p (t p) c 0 - mu c 0) = 0.
  have -> : \sum_(p in A) (value_at h p (t p) c 0 - mu c 0)
          = (\sum_(p in A) value_at h p (t p)) c 0 - mu c 0 *+ #|A|.
    by rewrite sumrB sumr_const summxE.
  rewrite mean ?mulmxnE ?subrr //.
  by split; [apply: (node_there stands) | apply: (letters_there stands)].
have -> : head_adds weigh h x ord_max c 0 - mu c 0
        = \sum_q w q * (value_at h q (t q) c 0 - mu c 0).
  rewrite /head_adds summxE; under eq_bigl => q do rewrite -ltnS ltn_ord.
  under eq_bigr => q _ do rewrite value_exact mxE.
  under [in RHS]eq_bigr => q _ do rewrite mulrBr.
  by rewrite sumrB -mulr_suml w_sum mul1r.
rewrite (bigID (mem A)) /=.
rewrite (eq_bigr (fun p => w a * (value_at h p (t p) c 0 - mu c 0))); last first.
  by move=> p in_p; rewrite (w_alike p a).
rewrite -mulr_sumr mean_c mulr0 add0r; apply: (le_trans (ler_norm_sum _ _ _)).
apply: (@le_trans _ _ (\sum_(q | q \notin A) w q * moved f c 0)); last first.
  by rewrite -mulr_suml mxE ler_wpmul2r // (le_trans w_out).
apply: ler_sum => q out_q; rewrite normrM (ger0_norm (w_ge0 q)).
apply: ler_wpmul2l; first exact: w_ge0.
have card_gt0 : 0 < #|A|%:R :> F by rewrite ltr0n; apply/card_gt0P; exists a.
rewrite -(ler_pmul2l card_gt0) -[X in X * _](ger0_norm (ltW card_gt0)) -normrM.
have -> : #|A|%:R * (value_at h q (t q) c 0 - mu c 0)
        = \sum_(p in A) (value_at h q (t q) c 0 - value_at h p (t p) c 0).
  move: mean_c; rewrite sumrB sumr_const => /subr0_eq sums.
  by rewrite [in RHS]sumrB sums sumr_const mulrBr !mulr_natl.
apply: (le_trans (ler_norm_sum _ _ _)); rewrite mulr_natl -sumr_const.
by apply: ler_sum => p in_p; apply: (moves e u).
Qed.

End OneHead.

(* All heads of a layer, each with what the kernel finds of it. *)
Fixpoint heads_checked st (hs : seq (head F d)) (fs : seq finding) : Prop :=
  match hs, fs with
  | h :: hs', f :: fs' => head_checked st h f /\ heads_checked st hs' fs'
  | [::], [::] => True
  | _, _ => False
  end.

Record layer_checked st st' (hs : seq (head F d)) (fs : seq finding) : Prop := LayerChecked {
  heads_carried : carried st st';
  heads_found : heads_checked st hs fs;
  heads_known : forall e u, cases st e u ->
    known st' e u = known st e u + \sum_(f <- fs) added f e u;
  heads_own : forall p v, own st' p v = own st p v + \sum_(f <- fs) late f p v;
  heads_error : forall c, error st c 0 + (\sum_(f <- fs) lambda f *: moved f) c 0 <= error st' c 0;
  heads_written : forall c, ~~ written st' c -> ~~ written st c /\
    every (fun h => forall i, output h c i = 0) hs
}.

Theorem heads_sound st st' hs fs :
  layer_checked st st' hs fs -> sound held may (attend weigh hs) st st'.
Proof.
move=> [kept found stream own' err wr].
apply: (adds_sound (added := fun e u => \sum_(f <- fs) added f e u)
         (late := fun p v => \sum_(f <- fs) late f p v)
         (more := \sum_(f <- fs) lambda f *: moved f) kept) => //.
- by move=> c /wr[].
- move=> t e u x can stands; rewrite /attend addrC addKr.
  rewrite [\sum_p \sum_(f <- fs) _]exchange_big /= -big_split /=.
  elim: hs fs found {stream own' err wr} => [|h hs IH] [|f fs] //=.
    by move=> _ c _; rewrite !big_nil subrr normr0 mxE.
  move=> [found_h found]; rewrite !big_cons; apply: within_sum; last exact: IH.
  exact: (head_within found_h can stands).
- move=> x p c /wr[_ none]; rewrite /attend mxE summxE.
  suff -> : \sum_(h <- hs) head_adds weigh h x p c 0 = 0 by rewrite addr0.
  elim: hs none {found wr} => [|h hs IH] /= none; first by rewrite big_nil.
  rewrite big_cons IH ?addr0; last by case: none.
  rewrite /head_adds summxE big1 // => q _; rewrite mxE mxE big1 ?mulr0 // => i _.
  by rewrite (proj1 none) mul0r.
Qed.

End Heads.
